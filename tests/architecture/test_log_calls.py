"""What the code logs is what the log may say: otherwise the record arrives without the field."""

import ast
from collections.abc import Iterator
from pathlib import Path

from daemon.edge.telemetry.redaction import FIELDS

DAEMON = Path(__file__).parents[2] / "daemon"
LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log", "bind"}
LOGGERS = {"log", "logger", "_log", "_logger"}


def log_calls(source: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
            target = ast.unparse(node.func.value)
            if target in LOGGERS or target.startswith(("structlog.get_logger(", "self._log")):
                yield node


def faults(source: str) -> list[str]:
    """Log calls with a field that is not listed, fields by ``**``, positional arguments or a composed event."""
    found = []
    for call in log_calls(source):
        names = {keyword.arg for keyword in call.keywords} - {"exc_info"}
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        expected = {"bind": 0, "log": 2}.get(method, 1)
        composed = any(isinstance(argument, ast.JoinedStr | ast.BinOp) for argument in call.args)
        if not names <= FIELDS or len(call.args) != expected or composed:
            found.append(f"line {call.lineno}: {ast.unparse(call)}")
    return found


def test_every_log_call_has_a_plain_event_and_listed_fields() -> None:
    found = {str(path.relative_to(DAEMON)): faults(path.read_text()) for path in sorted(DAEMON.rglob("*.py"))}

    assert {} == {path: lines for path, lines in found.items() if lines}


def test_the_check_bites() -> None:
    assert 1 == len(faults("log.info('a', patient=1)"))
    assert 1 == len(faults("log.info(f'a {b}')"))
    assert 1 == len(faults("log.info('a %s', b)"))
    assert 1 == len(faults("log.info('a', **b)"))
    assert 1 == len(faults("structlog.get_logger().bind(patient=1)"))
    assert 0 == len(faults("log.info('a', series=uid, exc_info=True)"))
