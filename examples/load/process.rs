//! What Linux says about a process: memory and CPU time.

use std::{fs, time::Duration};

use crate::Result;

#[derive(Clone, Copy)]
pub struct Usage {
    cpu: Duration,
    pub resident: u64,
    /// The highest `resident` since the start, or since `forget_peak`.
    pub peak: u64,
}

impl Usage {
    /// Seconds of CPU time between an earlier look and this one.
    pub fn cpu_since(&self, before: &Self) -> f64 {
        self.cpu.saturating_sub(before.cpu).as_secs_f64()
    }
}

pub fn usage(pid: u32) -> Result<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = |key: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let value = line.and_then(|rest| rest.split_whitespace().next());
        Ok(value.ok_or_else(|| format!("no {key} of process {pid}"))?.parse::<u64>()? * 1024)
    };
    Ok(Usage { cpu: cpu(pid)?, resident: kib("VmRSS:")?, peak: kib("VmHWM:")? })
}

/// User and system time. The name, field 2, may hold spaces: count behind it.
fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<std::result::Result<u64, std::num::ParseIntError>>()?;
    // Linux shows ticks of 10 ms to every process, whatever the kernel's own are.
    Ok(Duration::from_millis(ticks * 10))
}

pub fn forget_peak(pid: u32) -> Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
    Ok(())
}
