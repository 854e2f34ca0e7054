//! `cargo xtask simulate`: the kernels of GPU plans as waves of any size would run them, on no driver at all.

use anyhow::Result;
use clap::{Args, ValueEnum, builder::PossibleValuesParser};

use crate::shell;

#[derive(Args)]
pub struct Options {
    /// A part of the names of tests, such as matvec/Q4_0 or sub/rmsnorm; all without it
    kernel: Option<String>,
    /// Lanes of a wave; again for more of them [default: 32, and every number for kernels with subgroups]
    #[arg(long, value_name = "LANES", value_parser = PossibleValuesParser::new(["4", "8", "16", "32", "64", "128"]))]
    lanes: Vec<String>,
    /// The order of waves; again for more of them [default: every order, and in-order for kernels with subgroups]
    #[arg(long, value_enum)]
    schedule: Vec<Schedule>,
    /// Every case on every number of lanes in every order
    #[arg(long, conflicts_with_all = ["lanes", "schedule"])]
    all: bool,
    /// Print the names of all tests
    #[arg(long)]
    list: bool,
    /// Print the memory transactions of Llama 3.2 1B's kernels, with waves of 16, 32 and 64 lanes
    #[arg(long, conflicts_with_all = ["lanes", "schedule", "all", "list"])]
    traffic: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Schedule {
    /// The first wave to its next barrier, then the second
    InOrder,
    /// The last wave first
    Reverse,
    /// Any wave, and another after a few accesses to memory
    Random,
}

/// Runs the test program of the simulator.
pub fn run(options: &Options) -> Result<()> {
    let mut test = shell::cargo(["test", "--quiet", "--package", "llamita", "--test", "simulate", "--"]);
    for lanes in &options.lanes {
        test.args(["--lanes", lanes]);
    }
    for schedule in options.schedule.iter().filter_map(ValueEnum::to_possible_value) {
        test.args(["--schedule", schedule.get_name()]);
    }
    for (flag, given) in [("--all", options.all), ("--list", options.list), ("--traffic", options.traffic)] {
        if given {
            test.arg(flag);
        }
    }
    if let Some(kernel) = &options.kernel {
        test.args(["--kernel", kernel]);
    }
    shell::test(&mut test)
}
