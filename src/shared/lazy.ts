/** What `make` returns, made at the first call and kept. For what takes a while to build and is not needed by every isolate: built when
 *  the module loads it would make all of them start later. */
export function lazy<T>(make: () => T): () => T {
	let made: { readonly value: T } | undefined;
	return () => (made ??= { value: make() }).value;
}
