-- Writes a shard's blobs and its progress together, or nothing.
-- KEYS: the progress record, then the blobs.
-- ARGV: the progress expected ('' for none), the new progress, expiry of blobs in milliseconds,
-- then the blobs. Gives false when written, else the progress found ('' for none).
local found = redis.call('GET', KEYS[1]) or ''
if found ~= ARGV[1] then
  return found
end
for i = 2, #KEYS do
  redis.call('SET', KEYS[i], ARGV[i + 2], 'PX', ARGV[3])
end
redis.call('SET', KEYS[1], ARGV[2])
return false
