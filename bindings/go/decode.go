package justredis

import (
	"context"
	"fmt"
	"math/big"
	"reflect"
)

// Doer runs commands: a [*Client], a [*Lease], or what a program puts in their place.
type Doer interface {
	Do(ctx context.Context, args ...any) (Reply, error)
}

// Get runs a command, of any name, and gives its answer as a T; see [As].
//
//	name, err := justredis.Get[string](ctx, client, "GET", "name")
//	ages, err := justredis.Get[map[string]int](ctx, client, "HGETALL", "ages")
func Get[T any](ctx context.Context, on Doer, args ...any) (T, error) {
	var value T
	if texts, ok := any(&value).(*[]string); ok {
		// The way that is walked most of those where a detour costs.
		if session := sessionOf(on); session != nil {
			var err error
			*texts, err = session.texts(ctx, args)
			return value, err
		}
	}
	reply, err := on.Do(ctx, args...)
	if err == nil {
		err = reply.into(&value)
	}
	return value, err
}

func sessionOf(on Doer) *session {
	switch on := on.(type) {
	case *Client:
		return &on.session
	case *Lease:
		return &on.session
	}
	return nil
}

// As gives a reply as a T, which can be
//   - string, []byte, bool, any integer that the number fits into, float32, float64, *big.Int, a type made of one
//   - a slice of such, of arrays, sets, pushes; of a map, key, value, key, value
//   - a map of such, of maps and of arrays that list key, value, key, value
//   - a struct whose fields name the keys of a map, by a tag `redis:"name"` or their own name
//   - any: see [Reply.Value]; Reply
//   - a pointer to such, which is nil if the reply is
//
// If the reply is an error, that is the error; if it is nil and T does not take that, [ErrNil].
func As[T any](reply Reply) (T, error) {
	var value T
	err := reply.into(&value)
	return value, err
}

// into stores the reply in what target points to.
func (r Reply) into(target any) (err error) {
	switch target := target.(type) {
	case *Reply:
		*target = r
		return r.Err()
	case *string:
		*target, err = r.asText()
	case *[]byte:
		var text string
		text, err = r.asText()
		*target = []byte(text)
	case *int64:
		*target, err = r.Int()
	case *int:
		var number int64
		number, err = r.Int()
		if *target = int(number); err == nil && int64(*target) != number {
			err = r.hasNo("int")
		}
	case *float64:
		*target, err = r.Float()
	case *bool:
		*target, err = r.Bool()
	case *[]string:
		*target, err = r.asTexts()
	default:
		return r.reflect(reflect.ValueOf(target).Elem())
	}
	return err
}

// asText gives the text of what has one, and the digits of an integer.
func (r Reply) asText() (string, error) {
	switch r.kind {
	case KindString, KindSimple, KindVerbatim, KindBigNumber, KindDouble:
		return r.text, nil
	case KindInteger:
		return r.String(), nil
	}
	return "", r.hasNo("text")
}

// asTexts gives the texts of all items.
func (r Reply) asTexts() ([]string, error) {
	if !r.hasList() {
		return nil, r.hasNo("list")
	}
	items := r.Items()
	texts := make([]string, len(items))
	for i := range items {
		if items[i].kind == KindString {
			texts[i] = items[i].text
			continue
		}
		var err error
		if texts[i], err = items[i].asText(); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return texts, nil
}

var (
	bigInt    = reflect.TypeFor[big.Int]()
	replyType = reflect.TypeFor[Reply]()
)

// reflect stores the reply in a variable.
func (r Reply) reflect(target reflect.Value) error {
	if r.kind == KindFailure {
		return r.Err()
	}
	kind := target.Type()
	switch kind.Kind() {
	case reflect.Pointer:
		if r.IsNil() {
			target.SetZero()
			return nil
		}
		target.Set(reflect.New(kind.Elem()))
		return r.reflect(target.Elem())
	case reflect.Interface:
		if kind.NumMethod() > 0 {
			break
		}
		if value := r.Value(); value != nil {
			target.Set(reflect.ValueOf(value))
		} else {
			target.SetZero()
		}
		return nil
	case reflect.String:
		text, err := r.asText()
		target.SetString(text)
		return err
	case reflect.Bool:
		truth, err := r.Bool()
		target.SetBool(truth)
		return err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		number, err := r.Int()
		if err == nil && target.OverflowInt(number) {
			return r.hasNo(kind.String())
		}
		target.SetInt(number)
		return err
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return r.unsigned(target)
	case reflect.Float32, reflect.Float64:
		number, err := r.Float()
		target.SetFloat(number)
		return err
	case reflect.Slice:
		return r.slice(target)
	case reflect.Map:
		return r.mapping(target)
	case reflect.Struct:
		return r.structure(target)
	}
	return fmt.Errorf("justredis: a reply cannot be a %s", kind)
}

func (r Reply) unsigned(target reflect.Value) error {
	number, err := r.Int()
	if err != nil && r.text != "" {
		// What is beyond an int64.
		if whole, ok := new(big.Int).SetString(r.text, 10); ok && whole.IsUint64() {
			number, err = 0, nil
			if target.OverflowUint(whole.Uint64()) {
				return r.hasNo(target.Type().String())
			}
			target.SetUint(whole.Uint64())
			return nil
		}
	}
	if err == nil && (number < 0 || target.OverflowUint(uint64(number))) {
		return r.hasNo(target.Type().String())
	}
	target.SetUint(uint64(number))
	return err
}

func (r Reply) hasList() bool {
	switch r.kind {
	case KindArray, KindSet, KindPush, KindMap, KindAttribute:
		return true
	}
	return false
}

func (r Reply) slice(target reflect.Value) error {
	if target.Type().Elem().Kind() == reflect.Uint8 {
		text, err := r.asText()
		target.SetBytes([]byte(text))
		return err
	}
	if !r.hasList() {
		return r.hasNo("list")
	}
	values := reflect.MakeSlice(target.Type(), r.Len(), r.Len())
	for i, item := range r.Items() {
		if err := item.into(values.Index(i).Addr().Interface()); err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
	}
	target.Set(values)
	return nil
}

func (r Reply) mapping(target reflect.Value) error {
	items := r.Items()
	if !r.hasList() || len(items)%2 != 0 {
		return r.hasNo("map")
	}
	kind := target.Type()
	values := reflect.MakeMapWithSize(kind, len(items)/2)
	for i := 0; i < len(items); i += 2 {
		key, value := reflect.New(kind.Key()), reflect.New(kind.Elem())
		if err := items[i].into(key.Interface()); err != nil {
			return fmt.Errorf("key %d: %w", i/2, err)
		}
		if err := items[i+1].into(value.Interface()); err != nil {
			return fmt.Errorf("the value of %s: %w", items[i], err)
		}
		if !key.Elem().Comparable() {
			return r.hasNo("map")
		}
		values.SetMapIndex(key.Elem(), value.Elem())
	}
	target.Set(values)
	return nil
}

func (r Reply) structure(target reflect.Value) error {
	switch target.Type() {
	case replyType:
		target.Set(reflect.ValueOf(r))
		return nil
	case bigInt:
		if number, ok := new(big.Int).SetString(r.text, 10); ok {
			target.Set(reflect.ValueOf(number).Elem())
			return nil
		}
		number, err := r.Int()
		target.Set(reflect.ValueOf(big.NewInt(number)).Elem())
		return err
	}
	if !r.hasList() || r.Len()%2 != 0 {
		return r.hasNo("map")
	}
	for i := range target.NumField() {
		field := target.Type().Field(i)
		name := field.Tag.Get("redis")
		if name == "" {
			name = field.Name
		}
		if !field.IsExported() || name == "-" {
			continue
		}
		if value := r.Lookup(name); !value.IsNil() {
			if err := value.into(target.Field(i).Addr().Interface()); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}
