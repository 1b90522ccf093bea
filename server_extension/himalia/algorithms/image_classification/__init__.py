"""Image classification on CPU: gradient or pixel features and a linear model, as one ONNX graph.

The features are an ONNX graph from the start: training computes them by running the very graph
that is exported, so a picture is seen alike in training and in serving.
"""
