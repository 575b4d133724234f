# frozen_string_literal: true

class JustRedis
  # Lists. Commands that wait do so on connections of their own: nobody else is held up.
  module Commands
    # @return [Integer] the new length
    def lpush(key, *values)
      issue(["LPUSH", key, *values])
    end

    # @return [Integer] the new length
    def rpush(key, *values)
      issue(["RPUSH", key, *values])
    end

    # @return [String, Array<String>, nil] an array with a count
    def lpop(key, count = nil)
      issue(["LPOP", key, *count])
    end

    # @return [String, Array<String>, nil] an array with a count
    def rpop(key, count = nil)
      issue(["RPOP", key, *count])
    end

    # @param from [String, Symbol] "LEFT" or "RIGHT"; to: as well
    # @return [String, nil]
    def lmove(source, destination, from, to)
      issue(["LMOVE", source, destination, side(from), side(to)])
    end

    # @param timeout [Numeric] how many seconds the server waits; 0: as long as it takes
    # @return [String, nil]
    def blmove(source, destination, from, to, timeout: 0)
      issue(["BLMOVE", source, destination, side(from), side(to), timeout])
    end

    # @param keys [Array] and at last, as of old, the timeout
    # @param timeout [Numeric] how many seconds the server waits; 0: as long as it takes
    # @return [Array<String>, nil] the key and the element
    def blpop(*keys, timeout: nil)
      issue(blocking_words("BLPOP", keys, timeout))
    end

    # @return [Array<String>, nil] the key and the element
    def brpop(*keys, timeout: nil)
      issue(blocking_words("BRPOP", keys, timeout))
    end

    # @return [String, nil]
    def brpoplpush(source, destination, old_timeout = 0, timeout: old_timeout)
      issue(["BRPOPLPUSH", source, destination, timeout])
    end

    # @return [Array, nil] the key and the elements
    def lmpop(*keys, modifier: "LEFT", count: nil)
      issue(pop_words(["LMPOP"], keys, side(modifier), count))
    end

    # @return [Array, nil] the key and the elements
    def blmpop(timeout, *keys, modifier: "LEFT", count: nil)
      issue(pop_words(["BLMPOP", timeout], keys, side(modifier), count))
    end

    private

    def side(name)
      name = name.to_s.upcase
      raise ArgumentError, "a side of a list is LEFT or RIGHT, not #{name}" unless %w[LEFT RIGHT].include?(name)

      name
    end

    def blocking_words(command, keys, timeout)
      keys = keys.flatten
      timeout ||= keys.last.is_a?(Numeric) ? keys.pop : 0
      [command, *keys, timeout]
    end

    def pop_words(words, keys, modifier, count)
      keys = keys.flatten
      words.push(keys.size, *keys, modifier)
      words << "COUNT" << count if count
      words
    end
  end
end
