# frozen_string_literal: true

require_relative "helper"

# The examples run, and the README shows them as they are.
class ExamplesTest < RedisTest
  HERE = File.expand_path("..", __dir__)

  def test_hello
    assert_equal ["SET: OK\nGET: Hello, World!\n", ""], run_example("hello", server.url).first(2)
    output, errors, status = run_example("hello", "redis://127.0.0.1:1")
    assert_equal ["", 1], [output, status.exitstatus]
    assert_match(/\AJustRedis::CannotConnectError: /, errors)
  end

  def test_tour
    redis.del("jr:example:Counter")
    output, errors, = run_example("tour", server.url)
    assert_equal ["Hello, World!", "Atomic Hello, World!", "Queued Hello, World!", "PubSub Hello, World!"],
                 output.lines(chomp: true)
    assert_equal "", errors
    assert_equal "1", redis.get("jr:example:Counter")
  end

  def test_the_readme_shows_it
    shown = File.read("#{HERE}/README.md")[%r{<!-- examples/hello.rb -->\n```ruby\n(.*?)```}m, 1]
    assert_equal File.read("#{HERE}/examples/hello.rb").delete_prefix("# frozen_string_literal: true\n\n"), shown
  end

  private

  def run_example(name, url)
    Open3.capture3({ "JR_URL" => url }, RbConfig.ruby, "-w", "#{HERE}/examples/#{name}.rb")
  end
end
