"""What the local server speaks: TensorFlow Serving's REST and gRPC, over the models of `textclf.engine`."""
