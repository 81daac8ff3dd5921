"""The versions of served models: numbered folders under a base path, as TensorFlow Serving reads them."""
