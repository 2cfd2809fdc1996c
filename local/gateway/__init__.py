"""The part of PostgREST and Realtime that the official Supabase clients use here.

It stands where hosted Supabase stands, so that bot, runner and tests reach the database through
the same clients, the same roles and the same row security as in production. Whatever it does not
speak it refuses with 501 and a sentence; it never answers approximately.
"""
