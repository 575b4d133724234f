# frozen_string_literal: true

class JustRedis
  # Keys of any kind.
  module Commands
    # @return [Integer] how many there were
    def del(*keys)
      keys = keys.flatten(1)
      keys.empty? && is_a?(Requests) ? 0 : issue(["DEL", *keys])
    end

    # @return [Integer] how many of them there are
    def exists(*keys)
      issue(["EXISTS", *keys])
    end

    # @return [Boolean] whether any of them is there
    def exists?(*keys)
      issue(["EXISTS", *keys], Shapes::BOOLEAN)
    end

    # @return [Boolean] whether there was such a key
    def expire(key, seconds, nx: nil, xx: nil, gt: nil, lt: nil)
      issue(["EXPIRE", key, seconds, *conditions(nx, xx, gt, lt)], Shapes::BOOLEAN)
    end

    # @return [Boolean] whether there was such a key
    def expireat(key, time, nx: nil, xx: nil, gt: nil, lt: nil)
      issue(["EXPIREAT", key, time, *conditions(nx, xx, gt, lt)], Shapes::BOOLEAN)
    end

    # @return [Boolean] whether there was such a key
    def pexpire(key, milliseconds, nx: nil, xx: nil, gt: nil, lt: nil)
      issue(["PEXPIRE", key, milliseconds, *conditions(nx, xx, gt, lt)], Shapes::BOOLEAN)
    end

    # @return [Boolean] whether there was such a key
    def pexpireat(key, time, nx: nil, xx: nil, gt: nil, lt: nil)
      issue(["PEXPIREAT", key, time, *conditions(nx, xx, gt, lt)], Shapes::BOOLEAN)
    end

    # @return [Boolean] whether it was about to expire
    def persist(key)
      issue(["PERSIST", key], Shapes::BOOLEAN)
    end

    # @return [Boolean]
    def move(key, database)
      issue(["MOVE", key, database], Shapes::BOOLEAN)
    end

    # @return [Boolean]
    def copy(source, destination, db: nil, replace: false)
      words = ["COPY", source, destination]
      words << "DB" << db if db
      words << "REPLACE" if replace
      issue(words, Shapes::BOOLEAN)
    end

    # @return [Boolean]
    def renamenx(old_name, new_name)
      issue(["RENAMENX", old_name, new_name], Shapes::BOOLEAN)
    end

    # @return [Array<String>]
    def keys(pattern = "*")
      issue(["KEYS", pattern])
    end

    # @return [String] "OK"
    def restore(key, milliseconds, serialized, replace: nil)
      issue(["RESTORE", key, milliseconds, serialized, *("REPLACE" if replace)])
    end

    # @return [Array<String, Array>, Integer] with several `get` an array for each element; with `store` how many
    def sort(key, by: nil, limit: nil, get: nil, order: nil, store: nil)
      get = Array(get)
      words = ["SORT", key]
      words << "BY" << by if by
      words << "LIMIT" << limit if limit
      get.each { |pattern| words << "GET" << pattern }
      words.concat(order.to_s.split) if order
      words << "STORE" << store if store
      issue(words, get.size > 1 && !store ? ->(answer) { answer.each_slice(get.size).to_a } : nil)
    end

    # @return [Array] the next cursor, which is a text, and keys; the last cursor is "0"
    def scan(cursor, match: nil, count: nil, type: nil)
      issue(scan_words(["SCAN", cursor], match, count, type))
    end

    # @yieldparam key [String]
    # @return [Enumerator] without a block
    def scan_each(**options, &block)
      return to_enum(:scan_each, **options) unless block

      scan_all(block) { |cursor| scan(cursor, **options) }
    end

    private

    def conditions(only_without, only_with, greater, less)
      { "NX" => only_without, "XX" => only_with, "GT" => greater, "LT" => less }.select { |_, given| given }.keys
    end

    def scan_words(words, match, count, type = nil)
      words << "MATCH" << match if match
      words << "COUNT" << count if count
      words << "TYPE" << type if type
      words
    end

    def scan_all(block)
      cursor = "0"
      loop do
        cursor, found = yield cursor
        found.each(&block)
        break if cursor == "0"
      end
    end
  end
end
