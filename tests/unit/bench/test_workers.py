"""The pure parts of the bench of workers."""

from bench.workers import Row, Run, nice_for, rows, summary, workers_of_tunnels

LOG = """not JSON
{"event": "listening", "port": 1}
{"event": "tunnel_authenticated", "worker": 2}
{"event": "tunnel_closed", "worker": 2}
{"event": "tunnel_authenticated"}
"""


def test_the_log_says_which_worker_has_each_tunnel_in_order():
    assert workers_of_tunnels(LOG) == [2, 0]


def test_the_cpu_time_of_an_operation_is_that_of_all_processes():
    assert Run(1.0, [[0.5, 1.0], [2.0]]).total_cpu_s == 3.5


def test_the_summary_compares_each_arrangement_with_one_process_of_the_same_run():
    row = Row("opens", (), 10, "ms")
    one = [Run(100.0, [[0.001]]), Run(200.0, [[0.002]])]
    two = [Run(170.0, [[0.0, 0.0011]]), Run(340.0, [[0.0, 0.0022]])]
    first, second = summary(row, {"one process": one, "two workers": two})
    assert "150.00 per s x1 " in first
    assert "255.00 per s x1.7 " in second
    assert second.endswith("CPU 1.650 ms    x1.1")


def test_a_quick_run_has_the_same_rows_with_fewer_operations():
    quick, whole = rows(quick=True), rows(quick=False)
    assert [each.name for each in quick] == [each.name for each in whole]
    assert all(q.operations * 10 == w.operations for q, w in zip(quick, whole, strict=True))


def test_each_busy_process_gives_a_session_another_share_of_time():
    assert [nice_for(processes) for processes in (1, 2, 4)] == [0, -3, -6]
