//! The process's own figures, under the names that Prometheus' client libraries give them.

use std::fmt;

use procfs::process::{LimitValue, Process as Own};
use procfs::{ProcResult, page_size, ticks_per_second};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Reads them when somebody asks. Where there is no `/proc` there are none.
#[derive(Debug)]
pub(super) struct Process {
    /// Seconds since the epoch. The kernel's own word needs `/proc/stat`, which the unit hides.
    pub(super) started_at: i64,
}

struct Figures {
    cpu_seconds: f64,
    resident: u64,
    mapped: u64,
    open_files: u64,
    files_max: Option<u64>,
}

impl Figures {
    fn read() -> ProcResult<Self> {
        let own = Own::myself()?;
        let stat = own.stat()?;
        let files_max = own.limits()?.max_open_files.soft_limit;
        #[expect(clippy::cast_precision_loss, reason = "2^53 ticks are millions of years")]
        let cpu_seconds = (stat.utime + stat.stime) as f64 / ticks_per_second() as f64;
        Ok(Self {
            cpu_seconds,
            resident: stat.rss * page_size(),
            mapped: stat.vsize,
            open_files: u64::try_from(own.fd_count()?).unwrap_or(u64::MAX),
            files_max: match files_max {
                LimitValue::Unlimited => None,
                LimitValue::Value(files) => Some(files),
            },
        })
    }
}

impl Collector for Process {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Ok(figures) = Figures::read() else { return Ok(()) };
        let cpu = ConstCounter::new(figures.cpu_seconds);
        let words = "Time of processors used, of the system's included";
        cpu.encode(to.encode_descriptor("process_cpu", words, Some(&Unit::Seconds), cpu.metric_type())?)?;
        let mut gauge = |name: &str, help: &str, unit: Option<&Unit>, value: i64| {
            let value = ConstGauge::new(value);
            value.encode(to.encode_descriptor(name, help, unit, value.metric_type())?)
        };
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        gauge("process_start_time", "When the process began", Some(&Unit::Seconds), self.started_at)?;
        gauge("process_resident_memory", "Memory in use", Some(&Unit::Bytes), signed(figures.resident))?;
        gauge("process_virtual_memory", "Addresses in use", Some(&Unit::Bytes), signed(figures.mapped))?;
        gauge("process_open_fds", "Open files and connections", None, signed(figures.open_files))?;
        if let Some(most) = figures.files_max {
            gauge("process_max_fds", "As many may be open", None, signed(most))?;
        }
        Ok(())
    }
}
