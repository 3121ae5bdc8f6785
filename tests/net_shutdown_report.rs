//! Tests that `ShutdownReport` counts the connections of others, not those whose handlers shut the
//! server down.

#[path = "wire/task.rs"]
mod task;
mod wire;

use std::sync::mpsc;
use std::time::Duration;

use task::await_that;
use tightwire::ShutdownReport;
use wire::{PATIENCE, Raw, close_body};

/// The parts of a report: closed, failed, refused, cut, running.
fn parts(report: ShutdownReport) -> [usize; 5] {
    let ShutdownReport { closed, failed, refused, aborted, running, .. } = report;
    [closed, failed, refused, aborted, running]
}

/// The other connections are aborted, and the report counts them.
#[test]
fn a_report_to_a_handler_does_not_count_its_own_connection() {
    for (others, expected) in [(0, [0; 5]), (1, [0, 0, 0, 1, 0]), (3, [0, 0, 0, 3, 0])] {
        let server = wire::server();
        let (handle, own_handle) = (server.handle(), server.handle());
        let (report, reports) = mpsc::channel();
        let address = wire::run(server, move |ws, request| {
            if ws.recv()?.is_some() {
                report.send(own_handle.shutdown(Duration::from_millis(50)))?;
            }
            wire::echo(ws, request)
        });
        // These clients do not answer the Close frame.
        let stubborn: Vec<_> = (0..others).map(|_| Raw::upgraded(address)).collect();
        let mut raw = Raw::upgraded(address);
        await_that("open connections", || handle.connections().len() == others + 1);
        raw.send_frame(0x81, b"stop");
        assert_eq!(parts(reports.recv_timeout(PATIENCE).unwrap()), expected);
        assert_eq!(raw.read_frame(), (0x88, close_body(1001, "")));
        drop(stubborn);
    }
}
