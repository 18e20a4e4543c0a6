// Writes the same four entries with each Node.js logger: `node main.js NAME`.
const READY = "configuration store is ready";
const SLOW = "cache is slow: 812 ms";
const DOWN = "database is down";
const TRAP = "client sent level=error and ERROR in its text";

function first(log) {
  log.info({ entries: 3 }, READY);
  log.warn(SLOW);
  log.error({ host: "db-1" }, DOWN);
  log.info(TRAP);
}

function winstoned(format) {
  const winston = require("winston");
  const log = winston.createLogger({ format: format(winston.format), transports: [new winston.transports.Console()] });
  log.info(READY, { entries: 3 });
  log.warn(SLOW);
  log.error(DOWN, { host: "db-1" });
  log.info(TRAP);
}

const loggers = {
  pino: () => first(require("pino")()),
  bunyan: () => first(require("bunyan").createLogger({ name: "store" })),
  "winston-json": () => winstoned((format) => format.combine(format.timestamp(), format.json())),
  "winston-simple": () => winstoned((format) => format.simple()),
};
loggers[process.argv[2]]();
