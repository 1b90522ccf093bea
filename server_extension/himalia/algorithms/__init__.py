"""Algorithms the platform brings, run as ``python -m himalia.algorithms.<name>`` in a workload.

Each reads ``/himalia/input/input0`` in the layout of docs/design/wire.md, logs metrics per epoch
and writes an ONNX model folder (docs/design/clients.md). None writes or reads a pickle.
"""
