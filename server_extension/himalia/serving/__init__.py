"""One replica of an inference service: ``python -m himalia.serving --model-dir DIR --port PORT``.

Answers ``POST /infer`` (a picture in, labels and scores out), the Open Inference Protocol v2
over HTTP, readiness that means a real sample was answered, and Prometheus metrics. Keys, rate
limits, weights and addresses are the gateway's; it knows its model folder and nothing else.
"""
