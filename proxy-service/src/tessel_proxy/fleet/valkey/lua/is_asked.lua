-- ARGV: id of a question. Returns whether somebody still waits for its answer.
return tostring(redis.call('EXISTS', 'tessel:asked:' .. ARGV[1]))
