public import ArgumentParser

extension ArgumentHelp {
    /// Of `--example`, in each program that measures a model.
    public static var example: ArgumentHelp {
        ArgumentHelp(
            "Inputs to measure the model with, where made-up ones will not do: .npz with one array for each input, of two items or more.",
            valueName: "file")
    }
}
