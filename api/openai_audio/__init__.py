"""The OpenAI audio API: the same work as on the other routes, for clients that know no other API."""
