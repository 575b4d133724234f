# frozen_string_literal: true

class JustRedis
  # Hashes.
  module Commands
    # @return [Hash]
    def hgetall(key)
      issue(["HGETALL", key], Shapes::HASH)
    end

    # @param pairs [Array, Hash] fields and values
    # @return [Integer] how many fields are new
    def hset(key, *pairs)
      issue(["HSET", key, *pairs])
    end

    # @return [Boolean] whether it was set
    def hsetnx(key, field, value)
      issue(["HSETNX", key, field, value], Shapes::BOOLEAN)
    end

    # @return [String] "OK"
    def hmset(key, *pairs)
      issue(["HMSET", key, *pairs])
    end

    # @return [String] "OK"
    def mapped_hmset(key, hash)
      issue(["HMSET", key, hash])
    end

    # @return [Array<String, nil>]
    def hmget(key, *fields)
      issue(["HMGET", key, *fields])
    end

    # @return [Hash] each field with its value
    def mapped_hmget(key, *fields)
      fields = fields.flatten
      issue(["HMGET", key, *fields], ->(values) { fields.zip(values).to_h })
    end

    # @return [String, Array<String>, Array<Array<String>>] pairs, with values
    def hrandfield(key, count = nil, withvalues: false, with_values: withvalues)
      raise ArgumentError, "with values there has to be a count" if with_values && count.nil?

      words = ["HRANDFIELD", key, *count]
      words << "WITHVALUES" if with_values
      issue(words, with_values ? Shapes::PAIRS : nil)
    end

    # @return [Boolean]
    def hexists(key, field)
      issue(["HEXISTS", key, field], Shapes::BOOLEAN)
    end

    # @return [Float]
    def hincrbyfloat(key, field, increment)
      issue(["HINCRBYFLOAT", key, field, increment], Shapes::FLOAT)
    end

    # @return [Array] the next cursor, and pairs
    def hscan(key, cursor, match: nil, count: nil)
      issue(scan_words(["HSCAN", key, cursor], match, count), Shapes::SCAN_PAIRS)
    end

    # @yieldparam pair [Array<String>]
    # @return [Enumerator] without a block
    def hscan_each(key, **options, &block)
      return to_enum(:hscan_each, key, **options) unless block

      scan_all(block) { |cursor| hscan(key, cursor, **options) }
    end
  end
end
