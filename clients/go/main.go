// Writes documents and reads the errors, by the stubs that clients/generate makes.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	stillframe "stillframe/gen/stillframe/v1"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: stillframe ADDRESS COLLECTION")
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		log.Fatalf("%s: %v", reason(err), err)
	}
}

func run(address, collection string) error {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	written, err := stillframe.NewDocumentServiceClient(connection).WriteDocuments(context.Background(), request(collection))
	if err != nil {
		return err
	}
	for _, result := range written.Results {
		if result.Error != nil {
			failed := status.ErrorProto(result.Error)
			fmt.Printf("%d: %s: %v\n", result.Index, reason(failed), failed)
		} else {
			fmt.Printf("%d: %s %s\n", result.Index, result.Id, result.Status)
		}
	}
	return nil
}

func request(collection string) *stillframe.WriteDocumentsRequest {
	upsert := &stillframe.Document{Id: "dune", Body: &stillframe.Document_Json{Json: []byte(`{"title": "Dune"}`)}}
	rename := &stillframe.Patch{Id: "dune", Operations: []*stillframe.PatchOperation{{
		Op:         stillframe.PatchOperation_OP_MOVE,
		SourcePath: proto.String("/title"),
		Path:       proto.String("/name"),
	}}}
	return &stillframe.WriteDocumentsRequest{Collection: collection, Writes: []*stillframe.Write{
		{Operation: &stillframe.Write_Upsert{Upsert: upsert}},
		{Operation: &stillframe.Write_Patch{Patch: rename}},
		{Operation: &stillframe.Write_DeleteId{DeleteId: "emma"}},
	}}
}

// reason is what a program branches on; empty if the error is not the server's.
func reason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.Reason
		}
	}
	return ""
}
