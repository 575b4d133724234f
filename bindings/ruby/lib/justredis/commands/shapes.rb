# frozen_string_literal: true

class JustRedis
  # From the server's answers, of RESP2 or RESP3, to what redis-rb gives.
  # @api private
  module Shapes
    BOOLEAN = ->(answer) { answer.is_a?(Integer) ? answer.positive? : answer }
    BOOLEANS = ->(answer) { answer.map(&BOOLEAN) }
    # Of SET with NX or XX.
    WAS_SET = lambda do |answer|
      case answer
      when "OK" then true
      when nil then false
      else answer
      end
    end
    HASH = ->(answer) { answer.is_a?(Array) ? answer.each_slice(2).to_h : answer }
    HASHES = ->(answer) { answer.map(&HASH) }
    # Of a list of pairs, nested or not.
    PAIRS = ->(answer) { answer.nil? || answer.first.is_a?(Array) ? answer : answer.each_slice(2).to_a }
    FLOAT = lambda do |answer|
      case answer
      when "inf" then Float::INFINITY
      when "-inf" then -Float::INFINITY
      when String then Float(answer)
      else answer
      end
    end
    FLOATS = ->(answer) { answer.map(&FLOAT) }
    SCORES = ->(answer) { PAIRS.call(answer)&.map { |member, score| [member, FLOAT.call(score)] } }
    ONE_SCORE = ->(answer) { SCORES.call(answer)&.first }
    KEY_AND_SCORE = ->(answer) { answer && [answer[0], answer[1], FLOAT.call(answer[2])] }
    KEY_AND_SCORES = ->(answer) { answer && [answer[0], SCORES.call(answer[1])] }
    SCAN_PAIRS = ->(answer) { [answer[0], answer[1].each_slice(2).to_a] }
    SCAN_SCORES = ->(answer) { [answer[0], SCORES.call(answer[1])] }
    INTEGERS = ->(answer) { answer.map(&:to_i) }
    ENTRIES = ->(answer) { answer.compact.map { |id, values| [id, values && values.each_slice(2).to_h] } }
    # A map, or a list of pairs, or nothing.
    STREAMS = lambda do |answer|
      answer.to_h.transform_values(&ENTRIES)
    end
    CLAIMED = ->(answer) { { "next" => answer[0], "entries" => ENTRIES.call(answer[1]) } }
    CLAIMED_IDS = ->(answer) { { "next" => answer[0], "entries" => answer[1] } }
    PENDING = lambda do |answer|
      { "size" => answer[0], "min_entry_id" => answer[1], "max_entry_id" => answer[2], "consumers" => answer[3].to_h }
    end
    PENDING_ENTRIES = lambda do |answer|
      answer.map { |entry| %w[entry_id consumer elapsed count].zip(entry).to_h }
    end
    INFO = lambda do |answer|
      # Of a route to several nodes it is a Hash.
      next answer.transform_values(&INFO) if answer.is_a?(Hash)
      next answer unless answer.is_a?(String)

      lines = answer.split("\r\n").reject { |line| line.empty? || line.start_with?("#") }
      lines.map { |line| line.split(":", 2) }.select { |pair| pair.size == 2 }.to_h
    end
    COMMAND_STATISTICS = lambda do |answer|
      INFO.call(answer).to_h do |name, text|
        [name.delete_prefix("cmdstat_"), text.split(",").to_h { |pair| pair.split("=", 2) }]
      end
    end
    # Servers that sentinels tell of, under RESP2 lists of names and values; an address is a list of two.
    SENTINEL = lambda do |answer|
      next answer unless answer.is_a?(Array)
      next HASHES.call(answer) if answer.first.is_a?(Array)

      answer.size > 2 ? HASH.call(answer) : answer
    end
    CLIENTS = ->(answer) { answer.lines.map { |line| line.chomp.split.to_h { |pair| pair.split("=", 2) } } }
  end
end
