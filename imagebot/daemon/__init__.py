"""The daemon: cycles on a schedule, health for probes. Not imported by a CronJob's `run`."""
