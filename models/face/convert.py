#!/usr/bin/env python3
"""Converts MediaPipe's face networks from .tflite to safetensors, once.

    python3 -m venv venv
    venv/bin/pip install tflite==2.18.0 flatbuffers==25.12.19 numpy==2.4.6 safetensors==0.8.0
    venv/bin/python models/face/convert.py FOLDER_WITH_TFLITE models/face

The weights keep their float16 values; only names and layouts change, to those of core/face/blazeface.h and
core/face/face_mesh.h: convolutions [out, in, h, w] (depthwise [channels, 1, h, w]), PReLU slopes [channels].
Sparse tensors are written out in full.
"""

import argparse
import hashlib
import pathlib

import numpy as np
import tflite
from safetensors.numpy import save_file

DTYPES = {tflite.TensorType.FLOAT16: np.float16, tflite.TensorType.FLOAT32: np.float32}
WEIGHTED = {
    tflite.BuiltinOperator.CONV_2D: "convolution",
    tflite.BuiltinOperator.DEPTHWISE_CONV_2D: "depthwise",
    tflite.BuiltinOperator.PRELU: "slopes",
}


def sparse_index(metadata, name):
    """An index vector of a compressed dimension; its integer type is a union in the file."""
    kind = getattr(metadata, name + "Type")()
    table = getattr(metadata, name)()
    for type_id, vector in (
        (tflite.SparseIndexVector.Int32Vector, tflite.Int32Vector),
        (tflite.SparseIndexVector.Uint16Vector, tflite.Uint16Vector),
        (tflite.SparseIndexVector.Uint8Vector, tflite.Uint8Vector),
    ):
        if kind == type_id:
            values = vector()
            values.Init(table.Bytes, table.Pos)
            return values.ValuesAsNumpy()
    raise ValueError("a sparse dimension without indices")


def densify(values, shape, sparsity):
    """The full tensor of a sparse one (tensorflow/lite/schema/schema.fbs, SparsityParameters).

    The levels of the storage are the tensor's dimensions in traversal order, then the dimensions inside blocks.
    """
    order = sparsity.TraversalOrderAsNumpy()
    blocks = sparsity.BlockMapAsNumpy() if sparsity.BlockMapLength() else []
    levels = [sparsity.DimMetadata(i) for i in range(sparsity.DimMetadataLength())]
    block_size = {int(dim): levels[len(shape) + i].DenseSize() for i, dim in enumerate(blocks)}
    dense = np.zeros(shape, values.dtype)

    def place(level, parent, coordinates):
        if level == len(levels):
            position = [0] * len(shape)
            for at, index in coordinates:
                if at < len(shape):
                    position[at] += index * block_size.get(at, 1)
                else:
                    position[int(blocks[at - len(shape)])] += index
            dense[tuple(position)] = values[parent]
            return
        metadata, dim = levels[level], int(order[level])
        if metadata.Format() == tflite.DimensionType.DENSE:
            for index in range(metadata.DenseSize()):
                place(level + 1, parent * metadata.DenseSize() + index, [*coordinates, (dim, index)])
        else:
            segments = sparse_index(metadata, "ArraySegments")
            indices = sparse_index(metadata, "ArrayIndices")
            for entry in range(segments[parent], segments[parent + 1]):
                place(level + 1, entry, [*coordinates, (dim, int(indices[entry]))])

    place(0, 0, [])
    return dense


class Network:
    """The one graph of a .tflite file."""

    def __init__(self, data):
        self.model = tflite.Model.GetRootAs(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.operators = [self.graph.Operators(i) for i in range(self.graph.OperatorsLength())]
        self.producer = {op.Outputs(0): op for op in self.operators}

    def code(self, operator):
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        return max(code.BuiltinCode(), code.DeprecatedBuiltinCode())

    def constant(self, index):
        """A weight, through the operators that unpack it."""
        while index in self.producer:
            operator = self.producer[index]
            if self.code(operator) not in (tflite.BuiltinOperator.DEQUANTIZE, tflite.BuiltinOperator.DENSIFY):
                raise ValueError(f"tensor {index} is computed, not stored")
            index = operator.Inputs(0)
        tensor = self.graph.Tensors(index)
        if tensor.Type() not in DTYPES:
            raise ValueError(f"tensor {index} has integer type {tensor.Type()}: only float16 and float32 are known")
        values = np.frombuffer(self.model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes(), DTYPES[tensor.Type()])
        if tensor.Sparsity():
            return densify(values, tensor.ShapeAsNumpy(), tensor.Sparsity())
        return values.reshape(tensor.ShapeAsNumpy())

    def feeds(self, output):
        """The tensors that an output is computed from."""
        seen, open_tensors = set(), [output]
        while open_tensors:
            index = open_tensors.pop()
            if index not in seen and index in self.producer:
                seen.add(index)
                operator = self.producer[index]
                open_tensors += [operator.Inputs(i) for i in range(operator.InputsLength())]
        return seen

    def weighted(self, among=None):
        """(kind, tensors) of every operator with weights, in execution order, of those that give a tensor of AMONG."""
        for operator in self.operators:
            kind = WEIGHTED.get(self.code(operator))
            if kind and (among is None or operator.Outputs(0) in among):
                yield kind, [self.constant(operator.Inputs(i)) for i in range(1, operator.InputsLength())]


def named(operators, names):
    """Gives the operators the names, in order; each name says what kind it is for."""
    tensors, operators = {}, list(operators)
    if len(operators) != len(names):
        raise ValueError(f"{len(operators)} operators with weights for {len(names)} names")
    for (kind, values), name in zip(operators, names):
        if (kind == "slopes") != name.endswith("activation") or (kind == "depthwise") != ("depthwise" in name):
            raise ValueError(f"{name} is no {kind}")
        weight = values[0]
        if kind == "convolution":
            weight = weight.transpose(0, 3, 1, 2)
        elif kind == "depthwise":
            weight = weight.transpose(3, 0, 1, 2)
        else:
            weight = weight.reshape(-1)
        tensors[name + ".weight"] = weight
        if kind != "slopes":
            tensors[name + ".bias"] = values[1]
    return tensors


def block(name):
    return [f"{name}.depthwise", f"{name}.pointwise"]


def short_range(network):
    names = ["stem"] + [part for i in range(16) for part in block(f"blocks.{i}")]
    return named(network.weighted(), names + ["scores_16", "scores_8", "boxes_16", "boxes_8"])


def full_range(network):
    def bottleneck(name):
        return block(f"{name}.reduce") + block(f"{name}.expand")

    names = ["stem"]
    for level, count in enumerate((2, 3, 3, 3, 4)):
        names += [part for i in range(count) for part in bottleneck(f"down.{level}.{i}")]
        # The finest level has no narrowed copy; that of the coarsest is where the way up begins.
        names += [f"lateral.{level}"] if level else []
    for level, count in ((3, 2), (2, 2), (1, 1)):
        names += [part for i in range(count) for part in bottleneck(f"up.{level}.{i}")]
        names += [f"narrow.{level}"] if level > 1 else []
    names += ["scores.pointwise", "scores.depthwise", "boxes.pointwise", "boxes.depthwise"]
    return named(network.weighted(), names)


def face_mesh(network):
    presence, landmarks = sorted(
        (network.graph.Outputs(i) for i in range(2)), key=lambda i: network.graph.Tensors(i).ShapeAsNumpy()[-1]
    )
    feeds = {"presence": network.feeds(presence), "landmarks": network.feeds(landmarks)}
    trunk = feeds["presence"] & feeds["landmarks"]

    def branch(name, blocks):
        parts = [part for i in range(blocks) for part in [*block(f"{name}.blocks.{i}"), f"{name}.blocks.{i}.activation"]]
        parts += [f"{name}.narrow", f"{name}.activation", *block(f"{name}.last"), f"{name}.last.activation"]
        return named(network.weighted(feeds[name] - trunk), parts + [f"{name}.head"])

    names = ["stem", "activation"]
    names += [part for i in range(14) for part in [*block(f"blocks.{i}"), f"blocks.{i}.activation"]]
    return named(network.weighted(trunk), names) | branch("landmarks", 3) | branch("presence", 1)


NETWORKS = {
    "face_detection_short_range": short_range,
    "face_detection_full_range_sparse": full_range,
    "face_landmark": face_mesh,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path, help="folder with the .tflite files")
    parser.add_argument("target", type=pathlib.Path, help="folder for the .safetensors files")
    arguments = parser.parse_args()
    for name, convert in NETWORKS.items():
        data = (arguments.source / f"{name}.tflite").read_bytes()
        tensors = {key: np.ascontiguousarray(value) for key, value in convert(Network(data)).items()}
        kept = {key: value.astype(np.float16) for key, value in tensors.items()}
        for key, value in tensors.items():
            if not np.array_equal(kept[key], value):
                raise ValueError(f"{name}: {key} does not fit float16")
        metadata = {
            "source": f"google-ai-edge/mediapipe {name}.tflite, Apache-2.0",
            "source_sha256": hashlib.sha256(data).hexdigest(),
        }
        save_file(kept, arguments.target / f"{name}.safetensors", metadata)
        print(f"{name}: {len(kept)} tensors, {sum(v.size for v in kept.values())} values")


if __name__ == "__main__":
    main()
