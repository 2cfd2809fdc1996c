"""What bot and runner share: settings, errors, logs, typed rows and the Supabase client."""
