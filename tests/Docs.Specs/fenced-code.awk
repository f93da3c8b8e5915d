# Writes each block of C# that follows a line "<!-- file: NAME.cs -->" to the file NAME.cs in the folder `into`.
/^<!-- file: [A-Za-z]+\.cs -->$/ { name = $3; next }
/^```csharp$/ && name != "" { writing = 1; next }
/^```$/ { writing = 0; name = "" }
writing { print > (into name) }
