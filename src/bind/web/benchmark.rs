//! Speed, as `llamita bench` measures it.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::check::bench::{self, Workload};

use super::cancel::Cancel;
use super::failure::{aborted, failure};
use super::session::{Session, report};

/// Runs the workload `prefill` or `decode` once, over `tokens` random tokens. The session is emptied before and
/// afterwards. Gives `Stats` in JSON.
///
/// # Errors
/// `InvalidSetting` for another workload, `ContextFull` where the tokens do not fit, and those of the device.
#[wasm_bindgen]
pub async fn benchmark_run(session: &Session, kind: String, tokens: usize, cancel: &Cancel) -> Result<String, JsValue> {
    let workload = match kind.as_str() {
        "prefill" => Workload::Prefill,
        "decode" => Workload::Decode,
        other => return Err(failure("InvalidSetting", &format!("there is no benchmark {other:?}"), [])),
    };
    let mut session = session.inner(cancel).await?;
    let ids = bench::random_ids(session.model(), tokens);
    let run = cancel.attend(bench::run(&mut session, workload, tokens, 0, &ids)).await;
    session.truncate(0);
    Ok(report(&run.ok_or_else(aborted)??.stats))
}
