package main

import (
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A program with the stubs starts: a message that is registered twice, say google.rpc.Status
// by stubs of one's own, panics before this runs.
func TestReason(t *testing.T) {
	failed, err := status.New(codes.NotFound, "gone").WithDetails(&errdetails.ErrorInfo{Reason: "NOT_FOUND", Domain: "stillframe"})
	if err != nil {
		t.Fatal(err)
	}
	if found := reason(failed.Err()); found != "NOT_FOUND" {
		t.Fatalf("found %q", found)
	}
	if len(request("workspaces/commons/collections/books").Writes) != 3 {
		t.Fatal("not all writes")
	}
}
