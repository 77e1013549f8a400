"""Writes documents and reads the errors, by the stubs that clients/generate makes."""

import sys
from pathlib import Path

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

sys.path.append(str(Path(__file__).with_name("gen")))

from stillframe.v1 import document_pb2 as documents
from stillframe.v1 import document_pb2_grpc


def main(address: str, collection: str) -> None:
    with grpc.insecure_channel(address) as channel:
        try:
            written = document_pb2_grpc.DocumentServiceStub(channel).WriteDocuments(request(collection))
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)
            sys.exit(f"{reason(status) if status else ''}: {error}")
    for result in written.results:
        failed = result.HasField("error")
        shown = reason(result.error) if failed else f"{result.id} {documents.WriteResult.Status.Name(result.status)}"
        print(f"{result.index}: {shown}")


def request(collection: str) -> documents.WriteDocumentsRequest:
    rename = documents.PatchOperation(op=documents.PatchOperation.OP_MOVE, source_path="/title", path="/name")
    return documents.WriteDocumentsRequest(
        collection=collection,
        writes=[
            documents.Write(upsert=documents.Document(id="dune", json=b'{"title": "Dune"}')),
            documents.Write(patch=documents.Patch(id="dune", operations=[rename])),
            documents.Write(delete_id="emma"),
        ],
    )


def reason(status: status_pb2.Status) -> str:
    """What a program branches on; empty if the error is not the server's."""
    info = error_details_pb2.ErrorInfo()
    return next((info.reason for detail in status.details if detail.Unpack(info)), "")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: main.py ADDRESS COLLECTION")
    main(*sys.argv[1:])
