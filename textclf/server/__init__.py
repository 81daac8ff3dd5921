"""The local server: what is spoken with clients, over REST, gRPC and a page to try it."""
