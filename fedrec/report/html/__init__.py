"""Pages as HTML: styles, macros, what may be copied, rendering with a policy."""
