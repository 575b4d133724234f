# frozen_string_literal: true

class JustRedis
  # Sets, which are arrays of their members.
  module Commands
    # @return [Integer] how many are new
    def sadd(key, *members)
      issue(["SADD", key, *members])
    end

    # @return [Boolean] whether any is new
    def sadd?(key, *members)
      issue(["SADD", key, *members], Shapes::BOOLEAN)
    end

    # @return [Integer] how many there were
    def srem(key, *members)
      issue(["SREM", key, *members])
    end

    # @return [Boolean] whether there was any
    def srem?(key, *members)
      issue(["SREM", key, *members], Shapes::BOOLEAN)
    end

    # @return [String, Array<String>, nil] an array with a count
    def spop(key, count = nil)
      issue(["SPOP", key, *count])
    end

    # @return [String, Array<String>, nil] an array with a count
    def srandmember(key, count = nil)
      issue(["SRANDMEMBER", key, *count])
    end

    # @return [Boolean]
    def smove(source, destination, member)
      issue(["SMOVE", source, destination, member], Shapes::BOOLEAN)
    end

    # @return [Boolean]
    def sismember(key, member)
      issue(["SISMEMBER", key, member], Shapes::BOOLEAN)
    end

    # @return [Array<Boolean>]
    def smismember(key, *members)
      issue(["SMISMEMBER", key, *members], Shapes::BOOLEANS)
    end

    # @return [Array] the next cursor, and members
    def sscan(key, cursor, match: nil, count: nil)
      issue(scan_words(["SSCAN", key, cursor], match, count))
    end

    # @yieldparam member [String]
    # @return [Enumerator] without a block
    def sscan_each(key, **options, &block)
      return to_enum(:sscan_each, key, **options) unless block

      scan_all(block) { |cursor| sscan(key, cursor, **options) }
    end
  end
end
