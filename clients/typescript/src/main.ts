// Writes documents and reads the errors, by the stubs that clients/generate makes.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import type { Status } from "../gen/google/rpc/status_pb.js";
import {
  DocumentService,
  PatchOperation_Op,
  type WriteDocumentsRequestSchema,
  WriteResult_Status,
} from "../gen/stillframe/v1/document_pb.js";

async function main(address: string, collection: string): Promise<void> {
  const documents = createClient(DocumentService, createGrpcTransport({ baseUrl: `http://${address}` }));
  const written = await documents.writeDocuments(request(collection));
  for (const { index, id, status, error } of written.results) {
    console.log(`${index}: ${error ? reasonOf(error) : `${id} ${WriteResult_Status[status]}`}`);
  }
}

function request(collection: string): MessageInitShape<typeof WriteDocumentsRequestSchema> {
  const json = new TextEncoder().encode('{"title": "Dune"}');
  const rename = { op: PatchOperation_Op.MOVE, sourcePath: "/title", path: "/name" };
  return {
    collection,
    writes: [
      { operation: { case: "upsert", value: { id: "dune", body: { case: "json", value: json } } } },
      { operation: { case: "patch", value: { id: "dune", operations: [rename] } } },
      { operation: { case: "deleteId", value: "emma" } },
    ],
  };
}

/** What a program branches on; empty if the error is not the server's. */
function reason(error: ConnectError): string {
  return error.findDetails(ErrorInfoSchema)[0]?.reason ?? "";
}

/** The same, of one write among others. */
function reasonOf(status: Status): string {
  const infos = status.details.map((detail) => anyUnpack(detail, ErrorInfoSchema));
  return infos.find((info) => info !== undefined)?.reason ?? "";
}

const [address, collection] = process.argv.slice(2);
if (address === undefined || collection === undefined) {
  throw new Error("usage: main.js ADDRESS COLLECTION");
}
main(address, collection).catch((failed: unknown) => {
  const error = ConnectError.from(failed);
  console.error(`${reason(error)}: ${Code[error.code]}: ${error.rawMessage}`);
  process.exitCode = 1;
});
