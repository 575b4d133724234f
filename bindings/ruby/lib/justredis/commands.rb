# frozen_string_literal: true

class JustRedis
  # A method for each command of the servers, under the names that redis-rb gives them. Those of redis-rb take its
  # arguments and give its answers (those of its version 5 where versions differ); the others take the words of the
  # command and give what the server answers.
  module Commands
  end
end

require "justredis/commands/shapes"
require "justredis/commands/strings"
require "justredis/commands/keys"
require "justredis/commands/hashes"
require "justredis/commands/lists"
require "justredis/commands/sets"
require "justredis/commands/sorted_sets"
require "justredis/commands/streams"
require "justredis/commands/scripting"
require "justredis/commands/server"
require "justredis/commands/generated"
