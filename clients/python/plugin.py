"""The generators of grpcio-tools as a plugin of buf: its protoc has them built in."""

import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

request = CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
response = CodeGeneratorResponse(supported_features=CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL)
with tempfile.TemporaryDirectory() as folder:
    files = Path(folder, "files")
    files.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
    out = Path(folder, "out")
    out.mkdir()
    outs = [f"--{generator}_out={out}" for generator in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"--descriptor_set_in={files}", *outs, *request.file_to_generate]) != 0:
        response.error = "protoc refuses the files"
    for made in sorted(path for path in out.rglob("*") if path.is_file()):
        response.file.add(name=made.relative_to(out).as_posix(), content=made.read_text(encoding="utf-8"))
sys.stdout.buffer.write(response.SerializeToString())
