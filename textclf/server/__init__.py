"""The local server: versions that are loaded, asked over REST and gRPC as TensorFlow Serving is asked."""
