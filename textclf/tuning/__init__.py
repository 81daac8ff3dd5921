"""Search for hyper-parameters: trials of a config, judged on dev alone."""
