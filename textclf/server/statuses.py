"""The canonical codes as grpc's library has them."""

import grpc

from textclf.engine.errors import Code

STATUSES = {Code(status.value[0]): status for status in grpc.StatusCode}
