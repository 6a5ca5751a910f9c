-- ARGV: id of a question, ms in which it may be answered, the asker's host, the question,
--       the version of the list of members that the caller has
-- Returns epoch and version; then the names, if the version is another one.
redis.call('SET', 'tessel:asked:' .. ARGV[1], '', 'PX', ARGV[2])
say('tessel:questions', 'id', ARGV[1], 'asker', ARGV[3], 'data', ARGV[4])
return members_since(ARGV[5])
