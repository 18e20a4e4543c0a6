import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.ConsoleAppender;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;
import org.apache.logging.log4j.core.config.builder.api.ConfigurationBuilderFactory;

/** Writes the same four entries with each Java logger: {@code java Loggers NAME}. */
public final class Loggers {
    private static final String READY = "configuration store is ready";
    private static final String SLOW = "cache is slow: 812 ms";
    private static final String DOWN = "database is down";
    private static final String TRAP = "client sent level=error and ERROR in its text";

    public static void main(String[] names) {
        switch (names[0]) {
            case "log4j" -> log4j("PatternLayout", "pattern", "%d{ISO8601} [%t] %-5level %logger{36} - %msg%n");
            case "log4j-default" -> log4j("PatternLayout", "pattern", "%d{HH:mm:ss.SSS} [%t] %-5level %logger{36} - %msg%n");
            case "ecs" -> log4j("JsonTemplateLayout", "eventTemplateUri", "classpath:EcsLayout.json");
            case "gelf" -> log4j("GelfLayout", "compressionType", "OFF", "includeNewLineDelimiter", "true", "host", "api-1");
            case "logback" -> logback("%d{yyyy-MM-dd HH:mm:ss.SSS} [%thread] %-5level %logger{36} - %msg%n");
            case "spring-boot" -> logback(
                "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %5p 4711 --- [store] [%15.15t] %-40.40logger{39} : %m%n");
            case "jul" -> jul();
            default -> throw new IllegalArgumentException(names[0]);
        }
    }

    private static void log4j(String layout, String... attributes) {
        var builder = ConfigurationBuilderFactory.newConfigurationBuilder();
        var format = builder.newLayout(layout);
        for (int i = 0; i < attributes.length; i += 2) {
            format.addAttribute(attributes[i], attributes[i + 1]);
        }
        builder.add(builder.newAppender("out", "CONSOLE").add(format));
        builder.add(builder.newRootLogger(Level.INFO).add(builder.newAppenderRef("out")));
        var context = Configurator.initialize(builder.build());
        var log = context.getLogger("com.example.store.Store");
        log.info(READY);
        log.warn(SLOW);
        log.error(DOWN, new IllegalStateException("connection refused", new RuntimeException("no route to db-1")));
        log.info(TRAP);
    }

    private static void logback(String pattern) {
        var context = (LoggerContext) org.slf4j.LoggerFactory.getILoggerFactory();
        context.reset();
        var encoder = new PatternLayoutEncoder();
        encoder.setContext(context);
        encoder.setPattern(pattern);
        encoder.start();
        var out = new ConsoleAppender<ILoggingEvent>();
        out.setContext(context);
        out.setEncoder(encoder);
        out.start();
        var log = context.getLogger("com.example.store.Store");
        log.addAppender(out);
        log.info(READY);
        log.warn(SLOW);
        log.error(DOWN, new IllegalStateException("connection refused", new RuntimeException("no route to db-1")));
        log.info(TRAP);
    }

    private static void jul() {
        var log = java.util.logging.Logger.getLogger("com.example.store.Store");
        log.info(READY);
        log.warning(SLOW);
        log.severe(DOWN);
        log.info(TRAP);
    }
}
