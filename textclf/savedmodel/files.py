"""Where the files of a version stand, as paths relative to its folder; light, for what must not import TensorFlow."""

EXTRA = "assets.extra"
"""The folder for what TensorFlow Serving does not read, but for warm-up requests."""

GRAPH_FILE = "saved_model.pb"
BATCHING_FILE = "batching_params.pbtxt"
WARMUP_FILE = f"{EXTRA}/tf_serving_warmup_requests"
GOLDEN_FILE = f"{EXTRA}/golden.json"
LABELS_FILE = f"{EXTRA}/labels.json"
SCORES_FILE = f"{EXTRA}/scores.json"
RELIABILITY_FILE = f"{EXTRA}/reliability.png"
MANIFEST_FILE = f"{EXTRA}/manifest.json"
MANIFEST_SIGNATURE_FILE = f"{EXTRA}/manifest.sig"
