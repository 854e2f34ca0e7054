//! Speed, as `llamita bench` measures it.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::check::bench::{self, Workload};

use super::cancel::Cancel;
use super::failure::{aborted, failure};
use super::session::{Session, report};

/// Runs `prefill` or `decode` of so many random tokens once, from an empty session, which is empty again afterwards. The
/// answer is `Stats` in JSON.
///
/// # Errors
/// Where so many tokens do not fit the context, or the device fails.
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
