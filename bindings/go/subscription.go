package justredis

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Message is what a subscription got.
type Message struct {
	// Kind is "message", "pmessage" (by a pattern) or "smessage" (of a sharded channel); "subscribe", "unsubscribe" and
	// their kin for confirmations; "pong" for the answer of Ping.
	Kind string
	// Channel is that of a message, or the channel or pattern of a confirmation.
	Channel string
	// Pattern is that of a "pmessage".
	Pattern string
	// Payload is the text of a message or of a "pong".
	Payload string
	// Channels is, of a confirmation, how many channels and patterns the subscription has.
	Channels int
	// Gap: messages may be missing before this one, because the connection was lost and made again. After that each
	// channel is confirmed once more, with Gap; from there on nothing of it is missing.
	Gap bool
	// Dropped is how many messages were dropped before this one, because they were not taken fast enough.
	Dropped int
}

// IsMessage says whether somebody has published it.
func (m Message) IsMessage() bool {
	return m.Kind == "message" || m.Kind == "pmessage" || m.Kind == "smessage"
}

func messageOf(item Item) Message {
	reply := item.Reply
	message := Message{Kind: reply.Index(0).text, Gap: item.Gap, Dropped: item.Dropped}
	switch message.Kind {
	case "message", "smessage":
		message.Channel, message.Payload = reply.Index(1).text, reply.Index(2).text
	case "pmessage":
		message.Pattern, message.Channel = reply.Index(1).text, reply.Index(2).text
		message.Payload = reply.Index(3).text
	case "pong":
		message.Payload = reply.Index(1).text
	default:
		message.Channel = reply.Index(1).text
		channels, _ := reply.Index(2).Int()
		message.Channels = int(channels)
	}
	return message
}

// Subscription are channels and patterns that are subscribed to. All subscriptions of a client share one connection.
// When that is lost, everything is subscribed to again, and [Message].Gap tells.
//
// Messages are read in one of three ways: [Subscription.Next], [Subscription.All] or [Subscription.Channel].
type Subscription struct {
	session session
	stream  *Stream
	start   sync.Once
	channel chan Message
	reason  error
}

// Subscribe subscribes to channels, or to none at first, and returns when the server has confirmed all of them. The
// confirmations come among the messages, see [Subscription.Next].
func (c *Client) Subscribe(ctx context.Context, channels ...string) (*Subscription, error) {
	return c.subscribe(ctx, "SUBSCRIBE", channels)
}

// PSubscribe subscribes to patterns.
func (c *Client) PSubscribe(ctx context.Context, patterns ...string) (*Subscription, error) {
	return c.subscribe(ctx, "PSUBSCRIBE", patterns)
}

// SSubscribe subscribes to sharded channels.
func (c *Client) SSubscribe(ctx context.Context, channels ...string) (*Subscription, error) {
	return c.subscribe(ctx, "SSUBSCRIBE", channels)
}

func (c *Client) subscribe(ctx context.Context, name string, channels []string) (*Subscription, error) {
	if ctx.Err() != nil {
		return nil, endedBy(ctx)
	}
	stream, err := c.openCommand(ctx, []any{name, distinct(channels)})
	if err != nil {
		return nil, err
	}
	s := &Subscription{session: c.session, stream: stream}
	s.session.options.route = ""
	err = stream.until(ctx, isReady)
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Subscribe adds channels, and returns when the server has confirmed it. The confirmations come among the messages.
func (s *Subscription) Subscribe(ctx context.Context, channels ...string) error {
	return s.change(ctx, "SUBSCRIBE", channels)
}

// PSubscribe adds patterns.
func (s *Subscription) PSubscribe(ctx context.Context, patterns ...string) error {
	return s.change(ctx, "PSUBSCRIBE", patterns)
}

// SSubscribe adds sharded channels.
func (s *Subscription) SSubscribe(ctx context.Context, channels ...string) error {
	return s.change(ctx, "SSUBSCRIBE", channels)
}

// Unsubscribe takes channels away; all of them without arguments. A subscription without channels lives on.
func (s *Subscription) Unsubscribe(ctx context.Context, channels ...string) error {
	return s.change(ctx, "UNSUBSCRIBE", channels)
}

// PUnsubscribe takes patterns away; all of them without arguments.
func (s *Subscription) PUnsubscribe(ctx context.Context, patterns ...string) error {
	return s.change(ctx, "PUNSUBSCRIBE", patterns)
}

// SUnsubscribe takes sharded channels away; all of them without arguments.
func (s *Subscription) SUnsubscribe(ctx context.Context, channels ...string) error {
	return s.change(ctx, "SUNSUBSCRIBE", channels)
}

// Ping asks the server on the connection of the subscription and waits for the answer, which also comes among the
// messages, as a "pong".
func (s *Subscription) Ping(ctx context.Context, text string) error {
	if text == "" {
		return s.change(ctx, "PING", nil)
	}
	return s.change(ctx, "PING", []string{text})
}

// distinct gives each name once, so that it has one confirmation.
func distinct(names []string) []string {
	var found []string
	for _, name := range names {
		if !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}

func (s *Subscription) change(ctx context.Context, name string, arguments []string) error {
	calls := &s.session.handle.core.calls
	call := calls.get()
	call.request.subscription = s.stream.id
	if err := call.add([]any{name, distinct(arguments)}); err != nil {
		calls.put(call)
		return err
	}
	_, err := s.session.run(ctx, call)
	return err
}

// Next waits for the next message, confirmation or pong. When the subscription has ended its error says why;
// [ErrClosed] or [ErrCanceled] if it or its client was closed. The end of ctx does not end the subscription.
func (s *Subscription) Next(ctx context.Context) (Message, error) {
	dropped := 0
	for {
		item, err := s.stream.Next(ctx)
		if err != nil {
			return Message{}, err
		}
		dropped += item.Dropped
		if !isReady(item) {
			message := messageOf(item)
			message.Dropped = dropped
			return message, nil
		}
	}
}

// isReady: all that the subscription was made with is confirmed. The library tells it once, by a number.
func isReady(item Item) bool { return item.Reply.kind == KindInteger }

// nextPublished leaves out what is not published; what that tells of gaps is told by the next message.
func (s *Subscription) nextPublished(ctx context.Context) (Message, error) {
	gap, dropped := false, 0
	for {
		message, err := s.Next(ctx)
		if err != nil {
			return message, err
		}
		gap, dropped = gap || message.Gap, dropped+message.Dropped
		if message.IsMessage() {
			message.Gap, message.Dropped = gap, dropped
			return message, nil
		}
	}
}

// All gives what is published, until the subscription has ended, and then the error, unless that is that it or its
// client was closed. (It is an iter.Seq2[Message, error].)
//
//	for message, err := range subscription.All(ctx) { ... }
func (s *Subscription) All(ctx context.Context) func(yield func(Message, error) bool) {
	return all(func() (Message, error) { return s.nextPublished(ctx) })
}

// Channel gives a channel of what is published. It is closed when the subscription has ended; [Subscription.Err] then
// says why. Each call gives the same one.
func (s *Subscription) Channel() <-chan Message {
	s.start.Do(func() {
		s.channel = make(chan Message)
		core := s.session.handle.core
		core.background.Add(1)
		go func() {
			defer core.background.Done()
			defer close(s.channel)
			s.pump()
		}()
	})
	return s.channel
}

func (s *Subscription) pump() {
	for {
		message, err := s.nextPublished(context.Background())
		if err != nil {
			if !isClosed(err) {
				s.reason = err
			}
			return
		}
		select {
		case s.channel <- message:
		case <-s.stream.closed:
			return
		}
	}
}

// Err says why the channel was closed; nil if the subscription or its client was closed. It is to be asked when the
// channel is closed.
func (s *Subscription) Err() error { return s.reason }

// Close ends the subscription. Closing it again does nothing.
func (s *Subscription) Close() error { return s.stream.Close() }

func isClosed(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && failed.cause == nil && (failed.Status == ErrClosed || failed.Status == ErrCanceled)
}
