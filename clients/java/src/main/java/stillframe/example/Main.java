package stillframe.example;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Status;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import stillframe.v1.Document;
import stillframe.v1.DocumentServiceGrpc;
import stillframe.v1.Patch;
import stillframe.v1.PatchOperation;
import stillframe.v1.Write;
import stillframe.v1.WriteDocumentsRequest;
import stillframe.v1.WriteResult;

/** Writes documents and reads the errors, by the stubs that clients/generate makes. */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) throws InvalidProtocolBufferException {
        if (arguments.length != 2) {
            System.err.println("usage: Main ADDRESS COLLECTION");
            System.exit(2);
        }
        ManagedChannel channel = Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create()).build();
        try {
            for (WriteResult result :
                    DocumentServiceGrpc.newBlockingStub(channel).writeDocuments(request(arguments[1])).getResultsList()) {
                System.out.println(result.getIndex() + ": "
                        + (result.hasError() ? reason(result.getError()) : result.getId() + " " + result.getStatus()));
            }
        } catch (StatusRuntimeException failed) {
            System.err.println(reason(StatusProto.fromThrowable(failed)) + ": " + failed.getStatus());
            System.exit(1);
        } finally {
            channel.shutdownNow();
        }
    }

    static WriteDocumentsRequest request(String collection) {
        Document upsert = Document.newBuilder()
                .setId("dune")
                .setJson(ByteString.copyFromUtf8("{\"title\": \"Dune\"}"))
                .build();
        PatchOperation rename = PatchOperation.newBuilder()
                .setOp(PatchOperation.Op.OP_MOVE)
                .setSourcePath("/title")
                .setPath("/name")
                .build();
        return WriteDocumentsRequest.newBuilder()
                .setCollection(collection)
                .addWrites(Write.newBuilder().setUpsert(upsert))
                .addWrites(Write.newBuilder().setPatch(Patch.newBuilder().setId("dune").addOperations(rename)))
                .addWrites(Write.newBuilder().setDeleteId("emma"))
                .build();
    }

    /** What a program branches on; empty if the error is not the server's. */
    static String reason(Status status) throws InvalidProtocolBufferException {
        for (com.google.protobuf.Any detail : status.getDetailsList()) {
            if (detail.is(ErrorInfo.class)) {
                return detail.unpack(ErrorInfo.class).getReason();
            }
        }
        return "";
    }
}
