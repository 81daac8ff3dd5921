"""Trained classifiers as SavedModels that TensorFlow Serving takes, and their use from Python."""
