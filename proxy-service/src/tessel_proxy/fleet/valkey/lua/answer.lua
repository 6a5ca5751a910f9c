-- ARGV: id of a question, the asker's host, the host that answers, number of pieces, number of the
--       first one here, pieces
-- Returns whether somebody still waits for the answer.
if redis.call('EXISTS', 'tessel:asked:' .. ARGV[1]) == 0 then return '0' end
for i = 6, #ARGV do
  say('tessel:answers:' .. ARGV[2], 'id', ARGV[1], 'host', ARGV[3], 'pieces', ARGV[4],
      'number', int(ARGV[5] + i - 6), 'data', ARGV[i])
end
return '1'
