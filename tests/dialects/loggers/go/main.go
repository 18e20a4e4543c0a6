// Writes the same four entries with each Go logger: `go run . NAME`.
package main

import (
	"flag"
	"io"
	"log/slog"
	"os"

	"github.com/inconshreveable/log15"
	"github.com/rs/zerolog"
	"github.com/sirupsen/logrus"
	"go.uber.org/zap"
	"k8s.io/klog/v2"
)

const (
	ready = "configuration store is ready"
	slow  = "cache is slow: 812 ms"
	down  = "database is down"
	trap  = "client sent level=error and ERROR in its text"
)

func zapped(log *zap.Logger) {
	log.Info(ready, zap.Int("entries", 3))
	log.Warn(slow)
	log.Error(down, zap.String("host", "db-1"))
	log.Info(trap)
}

func zerologged(out io.Writer) {
	log := zerolog.New(out).With().Timestamp().Logger()
	log.Info().Int("entries", 3).Msg(ready)
	log.Warn().Msg(slow)
	log.Error().Str("host", "db-1").Msg(down)
	log.Info().Msg(trap)
}

func logrussed(format logrus.Formatter) {
	log := logrus.New()
	log.SetOutput(os.Stdout)
	log.SetFormatter(format)
	log.WithField("entries", 3).Info(ready)
	log.Warn(slow)
	log.WithField("host", "db-1").Error(down)
	log.Info(trap)
}

func fifteen(format log15.Format) {
	log := log15.New("module", "store")
	log.SetHandler(log15.StreamHandler(os.Stdout, format))
	log.Info(ready, "entries", 3)
	log.Warn(slow)
	log.Error(down, "host", "db-1")
	log.Info(trap)
}

func slogged(log *slog.Logger) {
	log.Info(ready, "entries", 3)
	log.Warn(slow)
	log.Error(down, "host", "db-1")
	log.Info(trap)
}

func klogged() {
	flags := flag.NewFlagSet("klog", flag.PanicOnError)
	klog.InitFlags(flags)
	_ = flags.Parse([]string{"-logtostderr=false", "-alsologtostderr=false", "-stderrthreshold=FATAL", "-one_output=true"})
	klog.SetOutput(os.Stdout)
	klog.Info(ready)
	klog.Warning(slow)
	klog.Error(down)
	klog.Info(trap)
	klog.Flush()
}

func main() {
	switch os.Args[1] {
	case "zap-json":
		config := zap.NewProductionConfig()
		config.OutputPaths = []string{"stdout"}
		log, _ := config.Build()
		zapped(log)
	case "zap-console":
		config := zap.NewDevelopmentConfig()
		config.OutputPaths = []string{"stdout"}
		log, _ := config.Build()
		zapped(log)
	case "zerolog-json":
		zerologged(os.Stdout)
	case "zerolog-console":
		zerologged(zerolog.ConsoleWriter{Out: os.Stdout, TimeFormat: "2006-01-02T15:04:05Z07:00"})
	case "logrus-text":
		logrussed(&logrus.TextFormatter{})
	case "logrus-terminal":
		logrussed(&logrus.TextFormatter{ForceColors: true, FullTimestamp: true})
	case "logrus-json":
		logrussed(&logrus.JSONFormatter{})
	case "klog":
		klogged()
	case "log15-logfmt":
		fifteen(log15.LogfmtFormat())
	case "log15-json":
		fifteen(log15.JsonFormat())
	case "slog-text":
		slogged(slog.New(slog.NewTextHandler(os.Stdout, nil)))
	case "slog-json":
		slogged(slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	}
}
