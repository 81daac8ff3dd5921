"""Token ids into logits; one public class a file."""
