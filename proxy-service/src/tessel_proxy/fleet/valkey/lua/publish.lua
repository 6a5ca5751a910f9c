-- ARGV: notice, its id, notices kept, seconds they are kept
-- Returns the epoch.
notify('tessel:notices', ARGV[1], ARGV[3], ARGV[4], ARGV[2])
return epoch()
