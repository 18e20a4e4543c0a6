"""Writes the same four entries with each Python logger: ``python main.py NAME``."""

import logging
import logging.config
import sys

READY = "configuration store is ready"
SLOW = "cache is slow: 812 ms"
DOWN = "database is down"
TRAP = "client sent level=error and ERROR in its text"


def four(log, **extra):
    log.info(READY, **extra)
    log.warning(SLOW)
    try:
        raise ConnectionError("connection refused")
    except ConnectionError:
        log.exception(DOWN)
    log.info(TRAP)


def standard(form):
    logging.basicConfig(level=logging.INFO, format=form, stream=sys.stdout)
    four(logging.getLogger("store"))


def structlogged(renderer):
    import structlog

    processors = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        *([] if renderer == "console" else [structlog.processors.format_exc_info]),
        structlog.dev.ConsoleRenderer(colors=True) if renderer == "console" else structlog.processors.JSONRenderer(),
    ]
    structlog.configure(processors=processors)
    four(structlog.get_logger(), entries=3)


def loguru():
    from loguru import logger

    logger.remove()
    logger.add(sys.stdout)
    four(logger)


def uvicorn():
    from uvicorn.config import LOGGING_CONFIG

    LOGGING_CONFIG["handlers"]["default"]["stream"] = "ext://sys.stdout"
    logging.config.dictConfig(LOGGING_CONFIG)
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:4000", "GET", "/health", "1.1", 500)
    four(logging.getLogger("uvicorn.error"))


def gunicorn():
    from gunicorn.config import Config
    from gunicorn.glogging import Logger

    config = Config()
    config.set("errorlog", "-")
    log = Logger(config)
    for handler in log.error_log.handlers:
        handler.setStream(sys.stdout)
    four(log.error_log)


def ecs():
    import ecs_logging

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(ecs_logging.StdlibFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    four(logging.getLogger("store"))


def json_logger():
    from pythonjsonlogger.json import JsonFormatter

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    four(logging.getLogger("store"))


def otel():
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import ConsoleLogExporter, SimpleLogRecordProcessor

    provider = LoggerProvider()
    exporter = ConsoleLogExporter(formatter=lambda record: record.to_json(indent=None) + "\n")
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    handler = LoggingHandler(logger_provider=provider)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    four(logging.getLogger("store"))
    provider.shutdown()


LOGGERS = {
    "python-basic": lambda: standard(logging.BASIC_FORMAT),
    "python-dashes": lambda: standard("%(asctime)s - %(name)s - %(levelname)s - %(message)s"),
    "python-brackets": lambda: standard("%(asctime)s [%(levelname)s] %(name)s: %(message)s"),
    "python-padded": lambda: standard("%(asctime)s %(levelname)-8s %(name)s:%(filename)s:%(lineno)d %(message)s"),
    "python-json": json_logger,
    "structlog-console": lambda: structlogged("console"),
    "structlog-json": lambda: structlogged("json"),
    "loguru": loguru,
    "uvicorn": uvicorn,
    "gunicorn": gunicorn,
    "ecs-python": ecs,
    "otel-python": otel,
}

if __name__ == "__main__":
    LOGGERS[sys.argv[1]]()
