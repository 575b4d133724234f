//! What came of a run: the same fields and lines as measure.c has.

use hdrhistogram::Histogram;
use nix::sys::resource::Usage;
use nix::sys::time::{TimeVal, TimeValLike};
use serde::Serialize;

use crate::arguments::{Arguments, Callers, Command, Mode};
use crate::measure::Moment;

/// Times in microseconds; CPU and switches for one operation.
#[derive(Serialize)]
pub struct Figures {
    program: &'static str,
    mode: Mode,
    callers: Callers,
    command: Command,
    value: u32,
    threads: u32,
    window: u32,
    seconds: f64,
    operations: u64,
    failures: u64,
    ops: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
    cpu: f64,
    user: f64,
    system: f64,
    switches: f64,
}

impl Figures {
    /// `latencies` are in nanoseconds.
    pub fn of(arguments: &Arguments, from: &Moment, to: &Moment, latencies: &Histogram<u64>, failures: u64) -> Figures {
        let Arguments { mode, callers, command, value, threads, window, .. } = *arguments;
        let operations = to.done - from.done;
        let seconds = (to.time - from.time).as_secs_f64();
        let each = |whole: i64| whole as f64 / operations.max(1) as f64;
        let spent = |time: fn(&Usage) -> TimeVal| each((time(&to.usage) - time(&from.usage)).num_microseconds());
        let percentile = |share| latencies.value_at_quantile(share) as f64 / 1e3;
        let (user, system) = (spent(Usage::user_time), spent(Usage::system_time));
        Figures {
            program: "peers_bench",
            mode,
            callers,
            command,
            value,
            threads,
            window,
            seconds,
            operations,
            failures,
            ops: operations as f64 / seconds,
            p50: percentile(0.5),
            p90: percentile(0.9),
            p99: percentile(0.99),
            p999: percentile(0.999),
            max: latencies.max() as f64 / 1e3,
            cpu: user + system,
            user,
            system,
            switches: each(to.usage.voluntary_context_switches() - from.usage.voluntary_context_switches()),
        }
    }

    /// It did something, and all of it worked.
    pub fn are_good(&self) -> bool {
        self.operations > 0 && self.failures == 0
    }

    /// For people.
    pub fn text(&self) -> String {
        let Figures { callers, command, value, threads, window, seconds, failures, .. } = self;
        let Figures { mode, ops, p50, p90, p99, p999, max, cpu, user, system, switches, .. } = self;
        format!(
            "peers_bench {mode:?}: {command:?} of {value} bytes, {callers:?} {threads} x {window}, {seconds:.1} s\n  \
               throughput   {ops:.0} operations a second, {failures} failures\n  \
               latency      p50 {p50:.1} us, p90 {p90:.1} us, p99 {p99:.1} us, p99.9 {p999:.1} us, max {max:.1} us\n  \
               CPU          {cpu:.3} us an operation: user {user:.3}, system {system:.3}; \
               {switches:.3} context switches"
        )
    }
}
